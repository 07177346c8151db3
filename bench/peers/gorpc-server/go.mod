module causeway.test/bench/gorpc-server

go 1.22

require (
	causeway.test/conformance/gorpc v0.0.0
	github.com/TykTechnologies/gorpc v0.0.0-20250214161245-e9f3f088e8c6
)

replace causeway.test/conformance/gorpc => ../../../test/conformance/gorpc
