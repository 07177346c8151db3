// Package apidef holds the types of a 4.0 gateway: the same wire names as today's, with
// fewer fields. A process may register only one of the two packages, since gob refuses
// one name for two types.
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

// DefRequest has no LoadOAS: such a client wants the flat list.
type DefRequest struct {
	OrgId string
	Tags  []string
}

// GroupLoginRequest has neither ForceSync nor Node.
type GroupLoginRequest struct {
	UserKey string
	GroupID string
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
