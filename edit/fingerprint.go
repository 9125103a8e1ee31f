package edit

import "retcon/gguf"

// FingerprintFile is [Fingerprint] of the model at path, any file of a split one.
func FingerprintFile(path string) (string, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return Fingerprint(f)
}
