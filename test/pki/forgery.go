package pki

import (
	"bytes"
	"math/big"
)

// Forgery is the smallest number of so many octets whose cube begins with these: to
// an RSA key of exponent 3, a signature that begins as a true one does, with garbage
// behind, which needs no private key to make (Bleichenbacher's of 2006). So few
// octets have to be given that there is room for garbage.
func Forgery(begins []byte, size int) []byte {
	block := append(bytes.Clone(begins), make([]byte, size-len(begins))...)
	root := cubeRoot(new(big.Int).SetBytes(block))
	cube := new(big.Int).Exp(root, big.NewInt(3), nil).FillBytes(make([]byte, size))
	if !bytes.Equal(cube[:len(begins)], begins) {
		panic("pki: the forgery does not begin as a signature does: it proves nothing")
	}
	return root.FillBytes(make([]byte, size))
}

// cubeRoot is the smallest number whose cube is not below n.
func cubeRoot(n *big.Int) *big.Int {
	low, high := big.NewInt(0), new(big.Int).Lsh(big.NewInt(1), uint(n.BitLen()/3+2))
	for low.Cmp(high) < 0 {
		mid := new(big.Int).Rsh(new(big.Int).Add(low, high), 1)
		if new(big.Int).Exp(mid, big.NewInt(3), nil).Cmp(n) < 0 {
			low = mid.Add(mid, big.NewInt(1))
		} else {
			high = mid
		}
	}
	return low
}
