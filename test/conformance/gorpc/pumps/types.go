// Package pumps holds the login type of the hybrid pump up to 1.7, which travels as
// *pumps.GroupLoginRequest.
package pumps

// GroupLoginRequest logs a pump with a group in.
type GroupLoginRequest struct {
	UserKey string
	GroupID string
}
