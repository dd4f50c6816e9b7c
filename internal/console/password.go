package console

import (
	"bufio"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// How a password is kept: see docs/adr/0008-console.md.
const (
	passwordScheme     = "pbkdf2-sha256"
	passwordIterations = 600_000
	passwordSaltBytes  = 16
	passwordHashBytes  = 32
	passwordLengthMin  = 12 // characters
)

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
	hash, err := pbkdf2.Key(sha256.New, password, salt, passwordIterations, passwordHashBytes)
	if err != nil {
		return "", err
	}
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("%s:%s$%d$%s$%s", name, passwordScheme, passwordIterations, b64(salt), b64(hash)), nil
}

// nameBytesMax is the longest name of an operator, in bytes.
const nameBytesMax = 64

// Users are who may log in.
type Users map[string]kept

// kept is what is kept of a password.
type kept struct {
	iterations int
	salt, hash []byte
}

// nobody is what the password of a name is compared with that is not there, so
// that it takes as long.
var nobody = kept{passwordIterations, make([]byte, passwordSaltBytes), make([]byte, passwordHashBytes)}

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
	parts := strings.Split(text, "$")
	if len(parts) != 4 || parts[0] != passwordScheme {
		return k, false
	}
	var errs [3]error
	k.iterations, errs[0] = strconv.Atoi(parts[1])
	k.salt, errs[1] = base64.RawStdEncoding.DecodeString(parts[2])
	k.hash, errs[2] = base64.RawStdEncoding.DecodeString(parts[3])
	return k, errors.Join(errs[:]...) == nil && k.iterations >= passwordIterations && len(k.salt) == passwordSaltBytes && len(k.hash) == passwordHashBytes
}

// Match tells whether a name has this password.
func (u Users) Match(name, password string) bool {
	k, ok := u[name]
	if !ok {
		k = nobody
	}
	hash, err := pbkdf2.Key(sha256.New, password, k.salt, k.iterations, passwordHashBytes)
	return err == nil && subtle.ConstantTimeCompare(hash, k.hash) == 1 && ok
}
