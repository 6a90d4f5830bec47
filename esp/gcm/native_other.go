//go:build !amd64 || purego

package gcm

// supported lists the forms that work here.
func supported() []form { return []form{portable} }

// schedule has no other form here, so no Key holds one.
type schedule struct{}

func newSchedule([]byte) *schedule { panic("gcm: no assembly in this build") }

func (*schedule) erase() {}

func (*Key) sealNative(_ []byte, _ *[NonceSize]byte, _, _ []byte) {
	panic("gcm: no assembly in this build")
}

func (*Key) openNative(_ []byte, _ *[NonceSize]byte, _, _ []byte) bool {
	panic("gcm: no assembly in this build")
}
