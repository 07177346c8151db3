package main

// zone is the event queue of one group. The protocol has no acknowledgement: a batch is
// confirmed when the same gateway polls again while the connection that carried the batch
// is still open, and goes out again otherwise.
type zone struct {
	pending []string
	handed  map[string]handed // by connection id
}

type handed struct {
	address string
	events  []string
}

const batchEvents = 1000

func (h *Hub) zone(group string) *zone {
	if h.zones[group] == nil {
		h.zones[group] = &zone{handed: map[string]handed{}}
	}
	return h.zones[group]
}

// enqueue adds an event for a group.
func (h *Hub) enqueue(group, event string) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	zone := h.zone(group)
	zone.pending = append(zone.pending, event)
}

// poll hands out the next batch of a group.
func (h *Hub) poll(address, group string) []string {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	zone, id := h.zone(group), connectionID(address)
	if last, found := zone.handed[id]; found {
		if !h.connections[last.address] {
			zone.pending = append(last.events, zone.pending...)
		}
		delete(zone.handed, id)
	}
	count := min(len(zone.pending), batchEvents)
	if count == 0 {
		return nil
	}
	batch := append([]string(nil), zone.pending[:count]...)
	zone.pending = zone.pending[count:]
	zone.handed[id] = handed{address: address, events: batch}
	return batch
}
