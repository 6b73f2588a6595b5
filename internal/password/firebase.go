package password

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"strings"
)

// firebaseHash is the hash of Firebase Authentication (github.com/firebase/scrypt): the project's signer key
// encrypted under what scrypt makes of the password. Firebase exports its parts apart; here they are one string,
//
//	$firescrypt$ln=14,r=8,p=1$salt$hash$saltSeparator$signerKey
//
// with ln for mem_cost, r for rounds, and the four values in base64 as they were exported.
type firebaseHash struct {
	scryptHash // the salt with the separator behind it; the key is the exported hash
	signer     []byte
}

func parseFirebase(rest string) (f firebaseHash, err error) {
	part := strings.Split(rest, "$")
	if len(part) != 5 {
		return f, ErrFormat
	}
	if f.scryptHash, err = parseScryptParams(part[0]); err != nil {
		return f, err
	}
	salt, errSalt := decode(part[1], 1, maxForeignSalt)
	separator, errSeparator := decode(part[3], 0, maxForeignSalt)
	signer, errSigner := decode(part[4], minForeignKey, maxForeignKey)
	if f.key, err = decode(part[2], minForeignKey, maxForeignKey); err != nil ||
		errSalt != nil || errSeparator != nil || errSigner != nil || len(f.key) != len(signer) {
		return f, ErrFormat
	}
	f.salt, f.signer = append(salt, separator...), signer
	return f, nil
}

func (f firebaseHash) match(plain []byte) bool {
	block, err := aes.NewCipher(f.derive(plain, 32))
	if err != nil {
		return false
	}
	sealed := make([]byte, len(f.signer))
	cipher.NewCTR(block, make([]byte, aes.BlockSize)).XORKeyStream(sealed, f.signer)
	return subtle.ConstantTimeCompare(sealed, f.key) == 1
}
