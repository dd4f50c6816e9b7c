package dialect

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
)

// Mark writes parts so that only who has the key can have written them: for
// tokens and links that we will read again ourselves. They are not secret.
// purpose keeps one kind of mark from passing for another.
func Mark(key []byte, purpose string, parts ...string) string {
	text, _ := json.Marshal(parts) // strings cannot fail
	return base64.RawURLEncoding.EncodeToString(text) + "." + base64.RawURLEncoding.EncodeToString(markMAC(key, purpose, text))
}

// ReadMark reads what Mark wrote; false if it was not written under this key
// for this purpose.
func ReadMark(key []byte, purpose, mark string) ([]string, bool) {
	body, sum, ok := strings.Cut(mark, ".")
	text, err := base64.RawURLEncoding.DecodeString(body)
	mac, errMAC := base64.RawURLEncoding.DecodeString(sum)
	if !ok || err != nil || errMAC != nil || len(key) == 0 || !hmac.Equal(mac, markMAC(key, purpose, text)) {
		return nil, false
	}
	var parts []string
	if json.Unmarshal(text, &parts) != nil {
		return nil, false
	}
	return parts, true
}

func markMAC(key []byte, purpose string, text []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(purpose + "\x00"))
	mac.Write(text)
	return mac.Sum(nil)
}
