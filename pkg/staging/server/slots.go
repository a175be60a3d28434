package server

import (
	"fmt"
	"net/http"
	"net/netip"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// slots are the places of uploads under way. One client's address has a part of them at most, and uploads that have not
// said whose they are have places of their own, so that neither keeps out the others.
type slots struct {
	owned, unowned, perClient int // the most of each
	underWay                  prometheus.Gauge

	mu      sync.Mutex
	takenBy map[netip.Prefix]int
	takenOf map[bool]int // by whether the owner was known
}

func newSlots(config Config, underWay prometheus.Gauge) *slots {
	return &slots{
		owned: config.MaxUploads, unowned: max(1, config.MaxUploads/4), perClient: config.MaxUploadsPerClient, underWay: underWay,
		takenBy: map[netip.Prefix]int{}, takenOf: map[bool]int{},
	}
}

// clientOf returns what counts as one client: an IPv4 address, or the network of an IPv6 one, in which a machine can choose
// as many addresses as it likes.
func clientOf(remote string) netip.Prefix {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Prefix{} // what no address can be seen of is one client together
	}
	address := at.Addr().Unmap().WithZone("")
	bits := 32
	if address.Is6() {
		bits = 64
	}
	prefix, _ := address.Prefix(bits) // fails for a number of bits that the address does not have, which is not so
	return prefix
}

// full returns the problem that a client would have to get a place; the caller must hold the lock.
func (s *slots) full(client netip.Prefix, owned bool) *problem {
	most := s.unowned
	if owned {
		most = s.owned
	}
	switch {
	case s.takenOf[owned] >= most:
		return &problem{status: http.StatusServiceUnavailable,
			reason: fmt.Sprintf("%d uploads are under way, which is the most; come again", most)}
	case s.takenBy[client] >= s.perClient:
		return &problem{status: http.StatusServiceUnavailable,
			reason: fmt.Sprintf("%d uploads from this address are under way, which is the most; come again", s.perClient)}
	}
	return nil
}

// ask returns the problem that a client would have now. A client with one can be refused before it sends the bundle.
func (s *slots) ask(client netip.Prefix) *problem {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.full(client, true)
}

// take takes a place until release is called.
func (s *slots) take(client netip.Prefix, owned bool) (release func(), p *problem) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.full(client, owned); p != nil {
		return nil, p
	}
	s.takenOf[owned]++
	s.takenBy[client]++
	s.underWay.Inc()
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.takenOf[owned]--
		if s.takenBy[client]--; s.takenBy[client] == 0 {
			delete(s.takenBy, client)
		}
		s.underWay.Dec()
	}, nil
}

// taken returns the number of uploads under way.
func (s *slots) taken() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.takenOf[true] + s.takenOf[false]
}
