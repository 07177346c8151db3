package main

// The types of gateways up to 2.8, which were one package main: gob knows them as
// *main.InboundData and so on.

// InboundData carries the writes.
type InboundData struct {
	KeyName      string
	Value        string
	SessionState string
	Timeout      int64
	Per          int64
	Expire       int64
}

// DefRequest asks for definitions.
type DefRequest struct {
	OrgId string
	Tags  []string
}

// GroupLoginRequest logs in with a group.
type GroupLoginRequest struct {
	UserKey string
	GroupID string
}

// GroupKeySpaceRequest asks for the key events of a group.
type GroupKeySpaceRequest struct {
	OrgID   string
	GroupID string
}

// KeysValuesPair answers the searches.
type KeysValuesPair struct {
	Keys   []string
	Values []string
}
