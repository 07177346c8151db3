module causeway.test/bench/gorpc-load

go 1.22

require causeway.test/conformance/gorpc v0.0.0

require github.com/TykTechnologies/gorpc v0.0.0-20250214161245-e9f3f088e8c6 // indirect

replace causeway.test/conformance/gorpc => ../../../test/conformance/gorpc
