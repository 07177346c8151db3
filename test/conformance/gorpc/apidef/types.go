// Package apidef holds the argument and result types of a current gateway.
//
// Go's gob names a registered pointer by the last element of its package path, so these
// types travel as *apidef.InboundData and so on, exactly as a gateway's own do. The field
// lists travel too: a server tells a client's age by them.
package apidef

// InboundData carries the writes.
type InboundData struct {
	KeyName      string
	Value        string
	SessionState string
	Timeout      int64
	Per          int64
	Expire       int64
}

// DefRequest asks for definitions; LoadOAS marks a gateway of 4.1 or newer.
type DefRequest struct {
	OrgId   string
	Tags    []string
	LoadOAS bool
}

// GroupLoginRequest logs in; ForceSync came with 4.3.2, Node with 5.2.
type GroupLoginRequest struct {
	UserKey   string
	GroupID   string
	ForceSync bool
	Node      []byte
}

// GroupKeySpaceRequest asks for the key events of a group.
type GroupKeySpaceRequest struct {
	OrgID   string
	GroupID string
}

// KeysValuesPair is the one struct a server sends besides gorpc's own wrappers.
type KeysValuesPair struct {
	Keys   []string
	Values []string
}
