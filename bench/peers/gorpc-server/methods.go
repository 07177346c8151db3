package main

import (
	"encoding/gob"
	"errors"
	"sync/atomic"

	"github.com/TykTechnologies/gorpc"

	"causeway.test/conformance/gorpc/apidef"
	"causeway.test/conformance/gorpc/pumps"
)

var (
	errAccessDenied = errors.New("Access Denied") //lint:ignore ST1005 the exact text is the protocol
	errForeignOrg   = errors.New("organisation is not yours")
	errNotFound     = errors.New("key not found")
)

// The arguments are taken as any, since gorpc would accept only one Go type for each, and
// old clients send the same structs under other names.
func init() {
	for _, value := range []any{
		&apidef.InboundData{}, &apidef.DefRequest{}, &apidef.GroupLoginRequest{},
		&apidef.GroupKeySpaceRequest{}, &apidef.KeysValuesPair{},
		&InboundData{}, &DefRequest{}, &GroupLoginRequest{}, &GroupKeySpaceRequest{}, &KeysValuesPair{},
		&pumps.GroupLoginRequest{}, []string{},
	} {
		gob.Register(value)
	}
}

func dispatcher(hub *Hub) *gorpc.Dispatcher {
	functions := map[string]any{
		"Login":          hub.login,
		"LoginWithGroup": func(address string, argument any) bool { return hub.loginWithGroup(address, argument) },
		"Ping":           func() bool { return true },
		"Disconnect":     func(address string, argument any) error { return nil },

		"GetKey":                     hub.getKey,
		"GetExp":                     hub.getExp,
		"GetKeys":                    func(address, pattern string) ([]string, error) { return nil, hub.admit(address) },
		"GetKeysAndValues":           hub.search,
		"GetKeysAndValuesWithFilter": hub.search,

		"SetKey":               hub.setKey,
		"AppendToSet":          func(address string, argument any) error { return hub.admit(address) },
		"Decrement":            func(address, key string) error { return hub.admit(address) },
		"DeleteKey":            func(address, key string) (bool, error) { return true, hub.admit(address) },
		"DeleteRawKey":         func(address, key string) (bool, error) { return true, hub.admit(address) },
		"DeleteKeys":           func(address string, keys []string) (bool, error) { return true, hub.admit(address) },
		"DeleteRawKeys":        func(address string, keys []string) (bool, error) { return true, hub.admit(address) },
		"IncrememntWithExpire": hub.increment,
		"SetRollingWindow":     func(address string, argument any) (int, error) { return 0, hub.admit(address) },

		"GetApiDefinitions":      hub.getDefinitions,
		"GetPolicies":            func(address, org string) (string, error) { return "[]", hub.admitOrg(address, org) },
		"GetClientIdPs":          func(address string, argument any) (string, error) { return "[]", hub.admit(address) },
		"CheckReload":            hub.checkReload,
		"CheckIdPReload":         hub.checkIdentities,
		"GetKeySpaceUpdate":      hub.keySpaceUpdate,
		"GetGroupKeySpaceUpdate": hub.groupKeySpaceUpdate,

		"PurgeAnalyticsData":              hub.purge,
		"PurgeAnalyticsDataAggregated":    hub.purge,
		"PurgeAnalyticsDataMCPAggregated": hub.purge,
	}
	dispatcher := gorpc.NewDispatcher()
	for name, function := range functions {
		dispatcher.AddFunc(name, function)
	}
	return dispatcher
}

func (h *Hub) loginWithGroup(address string, argument any) bool {
	switch login := argument.(type) {
	case *apidef.GroupLoginRequest:
		return h.login(address, login.UserKey)
	case *pumps.GroupLoginRequest:
		return h.login(address, login.UserKey)
	case *GroupLoginRequest:
		h.session(address).mainType.Store(true)
		return h.login(address, login.UserKey)
	}
	return false
}

func (h *Hub) getKey(address, name string) (string, error) {
	if err := h.admit(address); err != nil {
		return "", err
	}
	value, found := h.settings.Keys[name]
	if !found {
		return "", errNotFound
	}
	return value, nil
}

func (h *Hub) getExp(address, name string) (int64, error) {
	if err := h.admit(address); err != nil {
		return 0, err
	}
	if _, found := h.settings.Keys[name]; !found {
		return -2, nil
	}
	return -1, nil
}

func (h *Hub) setKey(address string, argument any) error {
	if _, old := argument.(*InboundData); old {
		h.session(address).mainType.Store(true)
	}
	return h.admit(address)
}

func (h *Hub) increment(address string, argument any) (int64, error) {
	data, ok := argument.(*apidef.InboundData)
	if !ok {
		return 0, h.admit(address)
	}
	counter, _ := h.counters.LoadOrStore(data.KeyName, new(int64))
	return atomic.AddInt64(counter.(*int64), 1), h.admit(address)
}

func (h *Hub) purge(address, payload string) error { return h.admit(address) }
