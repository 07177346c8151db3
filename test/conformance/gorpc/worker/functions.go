package worker

import (
	"causeway.test/conformance/gorpc/apidef"
	v40 "causeway.test/conformance/gorpc/v40/apidef"
)

// Functions maps a method to a function whose signature tells gorpc which argument and
// result types to register. The bodies are never run on a client.
type Functions map[string]any

// withCommon adds the methods whose signature never changed.
func withCommon(own Functions) Functions {
	all := Functions{
		"Login":                           func(clientAddress, key string) bool { return false },
		"Ping":                            func() bool { return false },
		"GetKey":                          func(key string) (string, error) { return "", nil },
		"GetExp":                          func(key string) (int64, error) { return 0, nil },
		"GetKeys":                         func(pattern string) ([]string, error) { return nil, nil },
		"DeleteKey":                       func(key string) (bool, error) { return true, nil },
		"DeleteRawKey":                    func(key string) (bool, error) { return true, nil },
		"DeleteKeys":                      func(keys []string) (bool, error) { return true, nil },
		"DeleteRawKeys":                   func(keys []string) (bool, error) { return true, nil },
		"Decrement":                       func(key string) error { return nil },
		"GetPolicies":                     func(org string) (string, error) { return "", nil },
		"CheckReload":                     func(clientAddress, org string) (bool, error) { return false, nil },
		"CheckIdPReload":                  func(clientAddress, org string) ([]string, error) { return nil, nil },
		"GetKeySpaceUpdate":               func(clientAddress, org string) ([]string, error) { return nil, nil },
		"PurgeAnalyticsData":              func(records string) error { return nil },
		"PurgeAnalyticsDataAggregated":    func(aggregates string) error { return nil },
		"PurgeAnalyticsDataMCPAggregated": func(aggregates string) error { return nil },
	}
	for name, function := range own {
		all[name] = function
	}
	return all
}

// Current is what a gateway of 5.14 and the newest pump register between them.
func Current() Functions {
	return withCommon(Functions{
		"LoginWithGroup":             func(clientAddress string, login *apidef.GroupLoginRequest) bool { return false },
		"Disconnect":                 func(clientAddress string, login *apidef.GroupLoginRequest) error { return nil },
		"SetKey":                     func(data *apidef.InboundData) error { return nil },
		"AppendToSet":                func(data *apidef.InboundData) error { return nil },
		"IncrememntWithExpire":       func(data *apidef.InboundData) (int64, error) { return 0, nil },
		"SetRollingWindow":           func(data *apidef.InboundData) (int, error) { return 0, nil },
		"GetKeysAndValues":           func(pattern string) (*apidef.KeysValuesPair, error) { return nil, nil },
		"GetKeysAndValuesWithFilter": func(pattern string) (*apidef.KeysValuesPair, error) { return nil, nil },
		"GetApiDefinitions":          func(request *apidef.DefRequest) (string, error) { return "", nil },
		"GetClientIdPs":              func(request *apidef.DefRequest) (string, error) { return "", nil },
		"GetGroupKeySpaceUpdate": func(clientAddress string, request *apidef.GroupKeySpaceRequest) ([]string, error) {
			return nil, nil
		},
	})
}

// Release40 is what a gateway of 4.0 registers.
func Release40() Functions {
	return withCommon(Functions{
		"LoginWithGroup":             func(clientAddress string, login *v40.GroupLoginRequest) bool { return false },
		"SetKey":                     func(data *v40.InboundData) error { return nil },
		"AppendToSet":                func(data *v40.InboundData) error { return nil },
		"IncrememntWithExpire":       func(data *v40.InboundData) (int64, error) { return 0, nil },
		"SetRollingWindow":           func(data *v40.InboundData) (int, error) { return 0, nil },
		"GetKeysAndValues":           func(pattern string) (*v40.KeysValuesPair, error) { return nil, nil },
		"GetKeysAndValuesWithFilter": func(pattern string) (*v40.KeysValuesPair, error) { return nil, nil },
		"GetApiDefinitions":          func(request *v40.DefRequest) (string, error) { return "", nil },
		"GetGroupKeySpaceUpdate": func(clientAddress string, request *v40.GroupKeySpaceRequest) ([]string, error) {
			return nil, nil
		},
	})
}
