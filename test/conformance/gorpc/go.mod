module causeway.test/conformance/gorpc

go 1.22

require github.com/TykTechnologies/gorpc v0.0.0-20250214161245-e9f3f088e8c6
