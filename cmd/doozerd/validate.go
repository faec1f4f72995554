package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/ha/doozerd/client"
	"github.com/ha/doozerd/internal/wire"
	"github.com/ha/doozerd/store"
)

// validate finds what can be found wrong without looking at the machine. Its
// errors are one line that says what to give instead.
func (o *options) validate() error {
	for _, check := range []func() error{
		o.checkListen, o.checkCluster, o.checkWeb, o.checkAttach, o.checkBoot, o.checkKeys, o.checkSecrets,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// checkListen holds -l to what others can reach the node by.
func (o *options) checkListen() error {
	if o.listen == "" {
		return errors.New("-l: a listen address is required, such as " + defaultListen)
	}
	host, _, err := splitAddr("-l", o.listen, defaultListen)
	if err != nil {
		return err
	}
	if isWildcard(host) || isGroup(host) {
		return fmt.Errorf("-l %s: the address is the node's name in the cluster: "+
			"give the host that others reach it by, such as %s", o.listen, defaultListen)
	}
	return nil
}

func (o *options) checkCluster() error {
	if o.cluster == "" || strings.Contains(o.cluster, "/") || store.CheckPath("/"+o.cluster) != nil {
		return fmt.Errorf("-c %q: a cluster name must be one path name: letters, digits, '.' and '-'", o.cluster)
	}
	return nil
}

func (o *options) checkWeb() error {
	if o.web == "" {
		return nil
	}
	if _, err := strconv.ParseBool(o.web); err == nil {
		return nil
	}
	_, _, err := splitAddr("-w", o.web, defaultWeb+", or false for no WebView")
	return err
}

// checkAttach also gives the usual port to those that have none: members are known by their whole addresses.
func (o *options) checkAttach() error {
	for k, a := range o.attach {
		if err := (client.Config{Addrs: []string{a}}).Validate(); err != nil {
			return fmt.Errorf("-a %s: give host:port, such as %s", a, defaultListen)
		}
		if _, _, err := net.SplitHostPort(a); err != nil {
			o.attach[k] = net.JoinHostPort(strings.Trim(a, "[]"), wire.DefaultPort)
		}
	}
	return nil
}

func (o *options) checkBoot() error {
	if o.boot == "" {
		return nil
	}
	u, err := client.ParseURI(o.boot)
	if err != nil || len(u.Addrs) == 0 {
		return errors.New("-b (or DOOZER_BOOT_URI): invalid uri: give doozer:?ca=HOST:PORT of the DzNS")
	}
	return nil
}

func (o *options) checkKeys() error {
	switch {
	case (o.tlsCert == "") != (o.tlsKey == ""):
		return errors.New("-tlscert and -tlskey go together: give both or neither")
	case o.tlsCA != "" && o.tlsCert == "":
		return errors.New("-tlsca is for TLS: give -tlscert and -tlskey, too")
	case o.tlsCert != "" && o.tlsCA == "" && o.membersSecret() == "" && (len(o.attach) > 0 || o.boot != ""):
		return errors.New("-tlscert: members could not prove themselves to each other: give -tlsca, or a secret (DOOZER_PEERSECRET)")
	case o.tlsClients && o.tlsCA == "":
		return errors.New("-tlsclients: give -tlsca, the authority that signs the clients' certificates")
	case o.tlsBoot && o.boot == "":
		return errors.New("-tlsboot: give -b, the DzNS to speak TLS with")
	case o.tlsBoot && o.tlsCert == "":
		return errors.New("-tlsboot: give -tlscert and -tlskey, which this node shows to the DzNS, and -tlsca, the authority that has signed the DzNS's")
	}
	return nil
}

func (o *options) checkSecrets() error {
	if o.roSecret != "" && o.rwSecret == "" {
		return errors.New("DOOZER_ROSECRET alone would let everybody write: set DOOZER_RWSECRET too, or that alone")
	}
	return nil
}

// splitAddr splits host:port as the flag gives it; such says what it may be instead.
// The port must be a number.
func splitAddr(flag, addr, such string) (host, port string, err error) {
	host, port, err = net.SplitHostPort(addr)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return "", "", fmt.Errorf("%s %s: malformed address: give host:port, such as %s", flag, addr, such)
	}
	return host, port, nil
}

// isWildcard reports whether host stands for every address of the machine.
func isWildcard(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "" || err == nil && ip.Unmap().IsUnspecified()
}

// isGroup reports whether host stands for many hosts, to which nobody can connect.
func isGroup(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && (ip.Unmap().IsMulticast() || ip.Unmap() == netip.AddrFrom4([4]byte{255, 255, 255, 255}))
}
