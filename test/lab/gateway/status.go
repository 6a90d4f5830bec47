package gateway

// Status is `causeway status -o json`, as users' scripts read it. The types
// are the test's own: a change of the program's output must break it.
type Status struct {
	Gateway struct {
		Name      string `json:"name"`
		Version   string `json:"version"`
		Interface string `json:"interface"`
		MTU       int    `json:"mtu"`
		Workers   int    `json:"workers"`
		DataPath  string `json:"data_path"`
		// Offloads are on or off.
		Offloads map[string]string `json:"offloads"`
		// Drops are those of all connections and of none.
		Drops   map[string]uint64 `json:"drops"`
		Sockets struct {
			MessagesIn   uint64            `json:"messages_in"`
			DatagramsIn  uint64            `json:"datagrams_in"`
			DatagramsOut uint64            `json:"datagrams_out"`
			LentMessages uint64            `json:"lent_messages"`
			Drops        map[string]uint64 `json:"drops"`
		} `json:"sockets"`
	} `json:"gateway"`
	Connections []Connection `json:"connections"`
}

// Connection is one configured connection.
type Connection struct {
	Name      string            `json:"name"`
	Wanted    string            `json:"wanted"`
	State     string            `json:"state"`
	IKE       *IKE              `json:"ike"`
	Children  []Child           `json:"children"`
	Drops     map[string]uint64 `json:"drops"`
	LastError *Error            `json:"last_error"`
	BytesOut  uint64            `json:"bytes_out"`
	PathMTU   int               `json:"path_mtu"`
	Paths     []Path            `json:"paths"`
}

// Path is what probes say of one way to a connection's networks.
type Path struct {
	Kind  string `json:"kind"`
	State string `json:"state"`
}

// IKE is a connection's IKE SA.
type IKE struct {
	Version        int    `json:"version"`
	Role           string `json:"role"`
	SPIi           string `json:"spi_i"`
	SPIr           string `json:"spi_r"`
	Local          string `json:"local"`
	Remote         string `json:"remote"`
	LocalIdentity  string `json:"local_identity"`
	RemoteIdentity string `json:"remote_identity"`
	NAT            string `json:"nat"`
	Suite          string `json:"suite"`
	Resumed        bool   `json:"resumed"`
	EstablishedAt  string `json:"established_at"`
}

// Child is one Child SA.
type Child struct {
	Worker          int      `json:"worker"`
	SPIIn           string   `json:"spi_in"`
	SPIOut          string   `json:"spi_out"`
	Suite           string   `json:"suite"`
	Encapsulation   string   `json:"encapsulation"`
	Mode            string   `json:"mode"`
	LocalSelectors  []string `json:"local_selectors"`
	RemoteSelectors []string `json:"remote_selectors"`
	PacketsIn       uint64   `json:"packets_in"`
	BytesIn         uint64   `json:"bytes_in"`
	PacketsOut      uint64   `json:"packets_out"`
	BytesOut        uint64   `json:"bytes_out"`
}

// Error is why a connection is not up.
type Error struct {
	Reason  string `json:"reason"`
	Message string `json:"message"`
	Local   string `json:"local"`
	Remote  string `json:"remote"`
	Hint    string `json:"hint"`
	At      string `json:"at"`
}

// Up gives the connection of that name if it carries traffic.
func (s *Status) Up(name string) (*Connection, bool) {
	c := s.Connection(name)
	return c, c != nil && (c.State == "up" || c.State == "rekeying") && c.IKE != nil && len(c.Children) > 0
}

// Connection is the connection of that name, or nil.
func (s *Status) Connection(name string) *Connection {
	for i := range s.Connections {
		if s.Connections[i].Name == name {
			return &s.Connections[i]
		}
	}
	return nil
}
