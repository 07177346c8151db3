package main

import (
	"fmt"
	"strings"

	"causeway.test/conformance/gorpc/apidef"
)

// search answers with the pair under the name the client knows.
func (h *Hub) search(address, pattern string) (any, error) {
	if err := h.admit(address); err != nil {
		return nil, err
	}
	var keys, values []string
	for name, value := range h.settings.Keys {
		if strings.HasPrefix(name, strings.TrimSuffix(pattern, "*")) {
			keys, values = append(keys, name), append(values, value)
		}
	}
	if h.session(address).mainType.Load() {
		return &KeysValuesPair{Keys: keys, Values: values}, nil
	}
	return &apidef.KeysValuesPair{Keys: keys, Values: values}, nil
}

func (h *Hub) getDefinitions(address string, argument any) (string, error) {
	switch request := argument.(type) {
	case *apidef.DefRequest:
		if request.LoadOAS {
			return h.nested, h.admitOrg(address, request.OrgId)
		}
		return h.flat, h.admitOrg(address, request.OrgId)
	case *DefRequest:
		return h.flat, h.admitOrg(address, request.OrgId)
	}
	return "", fmt.Errorf("unexpected argument %T", argument)
}

func (h *Hub) checkReload(address, org string) (bool, error) {
	if err := h.admitOrg(address, org); err != nil {
		return false, err
	}
	return h.hold(), nil
}

// checkIdentities never has anything to tell.
func (h *Hub) checkIdentities(address, org string) ([]string, error) {
	if err := h.admitOrg(address, org); err != nil {
		return nil, err
	}
	h.hold()
	return nil, nil
}

func (h *Hub) keySpaceUpdate(address, org string) ([]string, error) {
	if err := h.admitOrg(address, org); err != nil {
		return nil, err
	}
	return h.poll(address, connectionID(address)), nil
}

func (h *Hub) groupKeySpaceUpdate(address string, argument any) ([]string, error) {
	var org, group string
	switch request := argument.(type) {
	case *apidef.GroupKeySpaceRequest:
		org, group = request.OrgID, request.GroupID
	case *GroupKeySpaceRequest:
		org, group = request.OrgID, request.GroupID
	}
	if err := h.admitOrg(address, org); err != nil {
		return nil, err
	}
	return h.poll(address, group), nil
}
