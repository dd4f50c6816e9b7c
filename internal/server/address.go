package server

import (
	"net/http"
	"net/netip"
	"strings"
)

// From is the address of who asks. A proxy is believed about where a request
// came from only if it is one of ours; what stands in front of the last such
// word may be made up.
func From(r *http.Request, proxies []netip.Prefix) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	at := bare(peer.Addr())
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && within(proxies, at); i-- {
		hop, ok := parseHop(strings.TrimSpace(hops[i]))
		if !ok {
			break
		}
		at = bare(hop)
	}
	return at
}

// parseHop reads what a proxy has written. Some write the port too.
func parseHop(text string) (netip.Addr, bool) {
	if a, err := netip.ParseAddr(text); err == nil {
		return a, true
	}
	p, err := netip.ParseAddrPort(text)
	return p.Addr(), err == nil
}

// bare is an address in its one form.
func bare(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

func within(ranges []netip.Prefix, a netip.Addr) bool {
	for _, p := range ranges {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// admitted tells whether a merchant lets an address in: nil lets in everybody,
// an empty list nobody. A line that is neither an address nor a range lets in
// nobody.
func admitted(list []string, a netip.Addr) bool {
	if list == nil {
		return true
	}
	for _, line := range list {
		if p, err := ParsePrefix(line); err == nil && p.Contains(a) {
			return true
		}
	}
	return false
}

// ParsePrefix reads a range of addresses, or a single one.
func ParsePrefix(s string) (netip.Prefix, error) {
	if strings.Contains(s, "/") {
		p, err := netip.ParsePrefix(s)
		return p.Masked(), err
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	a = bare(a)
	return a.Prefix(a.BitLen())
}
