package console

import (
	"bufio"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/crypto/argon2"
)

// How a password is kept: see docs/adr/0008-console.md.
const (
	passwordMemory    = 19 << 10 // KiB, for each password that is being hashed
	passwordPasses    = 2
	passwordThreads   = 1
	passwordSaltBytes = 16
	passwordHashBytes = 32
	passwordLengthMin = 12 // characters
)

// passwordScheme is how a line names algorithm and parameters, as others that
// keep argon2id hashes as text write them.
var passwordScheme = fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$", argon2.Version, passwordMemory, passwordPasses, passwordThreads)

func hashPassword(password string, salt []byte) []byte {
	return argon2.IDKey([]byte(password), salt, passwordPasses, passwordMemory, passwordThreads, passwordHashBytes)
}

// ErrWeak means that a password is too short to be one.
var ErrWeak = fmt.Errorf("a password has at least %d characters", passwordLengthMin)

// HashPassword makes the line of a users file by which a name can log in.
func HashPassword(rand io.Reader, name, password string) (string, error) {
	switch {
	case name == "" || strings.ContainsAny(name, ":#\n ") || len(name) > nameBytesMax:
		return "", errors.New("a name is short, and has no space, colon or #")
	case len([]rune(password)) < passwordLengthMin:
		return "", ErrWeak
	}
	salt := make([]byte, passwordSaltBytes)
	if _, err := io.ReadFull(rand, salt); err != nil {
		return "", err
	}
	b64 := base64.RawStdEncoding.EncodeToString
	return name + ":" + passwordScheme + b64(salt) + "$" + b64(hashPassword(password, salt)), nil
}

// nameBytesMax is the longest name of an operator, in bytes.
const nameBytesMax = 64

// Users are who may log in.
type Users map[string]kept

// kept is what is kept of a password.
type kept struct{ salt, hash []byte }

// nobody is what the password of a name is compared with that is not there, so
// that it takes as long.
var nobody = kept{make([]byte, passwordSaltBytes), make([]byte, passwordHashBytes)}

// ReadUsers reads a users file: a line for each, empty lines and those that
// begin with # apart.
func ReadUsers(r io.Reader) (Users, error) {
	all, lines := Users{}, bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, rest, _ := strings.Cut(line, ":")
		k, ok := readKept(rest)
		if _, twice := all[name]; !ok || name == "" || twice {
			return nil, fmt.Errorf("line %d is no line of remit console password, or its name comes twice", n)
		}
		all[name] = k
	}
	if len(all) == 0 && lines.Err() == nil {
		return nil, errors.New("it names nobody")
	}
	return all, lines.Err()
}

func readKept(text string) (k kept, ok bool) {
	values, known := strings.CutPrefix(text, passwordScheme)
	salt, hash, two := strings.Cut(values, "$")
	var errs [2]error
	k.salt, errs[0] = base64.RawStdEncoding.DecodeString(salt)
	k.hash, errs[1] = base64.RawStdEncoding.DecodeString(hash)
	return k, known && two && errors.Join(errs[:]...) == nil && len(k.salt) == passwordSaltBytes && len(k.hash) == passwordHashBytes
}

// Match tells whether a name has this password.
func (u Users) Match(name, password string) bool {
	k, ok := u[name]
	if !ok {
		k = nobody
	}
	return subtle.ConstantTimeCompare(hashPassword(password, k.salt), k.hash) == 1 && ok
}
