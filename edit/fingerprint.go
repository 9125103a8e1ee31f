package edit

import "retcon/gguf"

// Fingerprint identifies the weights of the model at path, any file of a split
// one, without reading all of them. Names and provenance have no part in it.
func Fingerprint(path string) (string, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return fingerprint(f)
}
