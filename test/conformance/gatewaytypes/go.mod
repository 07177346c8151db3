module causeway.test/gatewaytypes

go 1.20
