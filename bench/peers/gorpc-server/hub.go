package main

import (
	"sync"
	"sync/atomic"
	"time"
)

// Settings of the reference server.
type Settings struct {
	Org              string
	UserKey          string
	Keys             map[string]string
	DefinitionsBytes int
	Definitions      []string // JSON of one API each; wins over DefinitionsBytes
	Hold             time.Duration
	LoginWait        time.Duration
}

// Hub is everything the server knows, in memory.
type Hub struct {
	settings    Settings
	nested      string // GetApiDefinitions for 4.1 and newer
	flat        string // and for older gateways
	stopping    chan struct{}
	mutex       sync.RWMutex
	sessions    map[string]*session // by connection id
	connections map[string]bool     // open ones, by address: connection id, '#', number
	serial      int
	zones       map[string]*zone // by group
	reload      chan struct{}    // closed and replaced when definitions change
	counters    sync.Map         // by key name, of *int64
}

// session is shared by all connections of one connection id.
type session struct {
	loggedIn chan struct{} // closed by the first login
	once     sync.Once
	mainType atomic.Bool // the client's types are *main.X
}

// NewHub builds the answers that never change.
func NewHub(settings Settings) *Hub {
	list := settings.Definitions
	if len(list) == 0 {
		list = madeUpDefinitions(settings.Org, settings.DefinitionsBytes)
	}
	nested, flat := joinDefinitions(list)
	return &Hub{
		settings:    settings,
		nested:      nested,
		flat:        flat,
		stopping:    make(chan struct{}),
		sessions:    map[string]*session{},
		connections: map[string]bool{},
		zones:       map[string]*zone{},
		reload:      make(chan struct{}),
	}
}

// drain answers the pending long polls: a gateway whose poll is cut asks for a full
// synchronisation.
func (h *Hub) drain() {
	close(h.stopping)
	time.Sleep(100 * time.Millisecond)
}

// session returns the session of a connection, logged in or not.
func (h *Hub) session(address string) *session {
	id := connectionID(address)
	h.mutex.RLock()
	known := h.sessions[id]
	h.mutex.RUnlock()
	if known != nil {
		return known
	}
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if h.sessions[id] == nil {
		h.sessions[id] = &session{loggedIn: make(chan struct{})}
	}
	return h.sessions[id]
}

func (h *Hub) login(address, key string) bool {
	if key != h.settings.UserKey {
		return false
	}
	session := h.session(address)
	session.once.Do(func() { close(session.loggedIn) })
	return true
}

// admit lets a call through when its connection id is logged in. A call that comes first
// waits for a while: a gateway starts its calls before its login is through.
func (h *Hub) admit(address string) error {
	session := h.session(address)
	select {
	case <-session.loggedIn:
		return nil
	default:
	}
	select {
	case <-session.loggedIn:
		return nil
	case <-time.After(h.settings.LoginWait):
		return errAccessDenied
	case <-h.stopping:
		return errAccessDenied
	}
}

// admitOrg is admit for a call that names its organisation.
func (h *Hub) admitOrg(address, org string) error {
	if err := h.admit(address); err != nil {
		return err
	}
	if org != h.settings.Org {
		return errForeignOrg
	}
	return nil
}

// announceReload ends every pending CheckReload with true.
func (h *Hub) announceReload() {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	close(h.reload)
	h.reload = make(chan struct{})
}

// hold waits for the end of a long poll and tells whether definitions changed.
func (h *Hub) hold() bool {
	h.mutex.RLock()
	reload := h.reload
	h.mutex.RUnlock()
	timer := time.NewTimer(h.settings.Hold)
	defer timer.Stop()
	select {
	case <-reload:
		return true
	case <-timer.C:
	case <-h.stopping:
	}
	return false
}
