package isakmp

import (
	"fmt"
	"strconv"
)

// ParseError says what is wrong with received bytes. It never holds their
// content.
type ParseError struct {
	Payload PayloadType // the malformed payload; PayloadNone: the header or the chain
	Offset  int         // where, from the start of the bytes given to the parser
	Why     string
}

func (e *ParseError) Error() string {
	where := "message"
	if e.Payload != PayloadNone {
		where = e.Payload.String() + " payload"
	}
	return "isakmp: malformed " + where + " at byte " + strconv.Itoa(e.Offset) + ": " + e.Why
}

// VersionError is returned for a message of another major version than 1.
type VersionError struct{ Major, Minor uint8 }

func (e *VersionError) Error() string {
	return fmt.Sprintf("isakmp: IKE version %d.%d, only %d.x is read here", e.Major, e.Minor, MajorVersion)
}

// encodeError says why a payload cannot be laid out.
func encodeError(t PayloadType, format string, args ...any) error {
	return fmt.Errorf("isakmp: cannot encode %v payload: %s", t, fmt.Sprintf(format, args...))
}
