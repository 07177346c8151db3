module causeway.test/gobgen

go 1.21
