package gguf

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode"
	"unicode/utf8"
)

// SniffLength is how many bytes of a file's beginning Sniff makes use of.
const SniffLength = 512

// Form is what a file is that is no GGUF, by its first bytes.
type Form struct {
	// Name is the form with its article: "a safetensors file".
	Name string
	// Instead is what to do where a GGUF was wanted; empty where nothing helps.
	Instead string
	// Unpack is what to do with it whatever was wanted; empty where it is as it
	// should be.
	Unpack string
	// Text says that it is made of characters.
	Text bool
}

// advice is what to do where a GGUF was wanted, after a colon.
func (f Form) advice() string {
	for _, s := range []string{f.Unpack, f.Instead} {
		if s != "" {
			return ": " + s
		}
	}
	return ""
}

const (
	convertFolder = "convert_hf_to_gguf.py of llama.cpp makes a GGUF of the folder that it is from"
	unpackFirst   = "unpack it first"
)

// magics are forms that begin with fixed bytes. Numbers are little-endian, so
// that GGML's words stand there in reverse.
var magics = []struct {
	magic string
	form  Form
}{
	{"GGUF", Form{Name: "a GGUF file"}},
	{"\x1f\x8b", Form{Name: "a gzip file", Unpack: unpackFirst}},
	{"\xfd7zXZ\x00", Form{Name: "an xz file", Unpack: unpackFirst}},
	{"\x28\xb5\x2f\xfd", Form{Name: "a zstd file", Unpack: unpackFirst}},
	{"BZh", Form{Name: "a bzip2 file", Unpack: unpackFirst}},
	{"7z\xbc\xaf\x27\x1c", Form{Name: "a 7z file", Unpack: unpackFirst}},
	{"Rar!\x1a\x07", Form{Name: "a RAR file", Unpack: unpackFirst}},
	{"lmgg", Form{Name: "a file of GGML from before GGUF", Instead: "fetch the model as GGUF, or convert it again"}},
	{"fmgg", Form{Name: "a GGMF file from before GGUF", Instead: "fetch the model as GGUF, or convert it again"}},
	{"tjgg", Form{Name: "a GGJT file from before GGUF", Instead: "fetch the model as GGUF, or convert it again"}},
	{"algg", Form{Name: "a GGLA adapter from before GGUF", Instead: "convert_lora_to_gguf.py of llama.cpp converts the adapter that it was made from"}},
	{"\x89HDF\r\n\x1a\n", Form{Name: "an HDF5 file, as Keras writes them", Instead: "llama.cpp converts safetensors: fetch the model as these, or as GGUF"}},
	{"\x93NUMPY", Form{Name: "a NumPy file"}},
	{"PAR1", Form{Name: "a Parquet file", Unpack: "write its rows as JSON lines"}},
}

// Sniff names a file by the bytes that it begins with; ok is false where they
// say nothing.
func Sniff(head []byte) (f Form, ok bool) {
	head = head[:min(len(head), SniffLength)]
	for _, m := range magics {
		if bytes.HasPrefix(head, []byte(m.magic)) {
			return m.form, true
		}
	}
	for _, look := range []func([]byte) (Form, bool){sniffZip, sniffPickle, sniffSafetensors, sniffImatrix, sniffFlat, sniffONNX, sniffText} {
		if f, ok := look(head); ok {
			return f, true
		}
	}
	return Form{}, false
}

func sniffZip(b []byte) (Form, bool) {
	if !bytes.HasPrefix(b, []byte("PK\x03\x04")) {
		return Form{}, false
	}
	if bytes.Contains(b, []byte("data.pkl")) || bytes.Contains(b, []byte("/version")) || bytes.Contains(b, []byte(".format_version")) {
		return Form{Name: "a PyTorch checkpoint (zip)", Instead: convertFolder}, true
	}
	return Form{Name: "a zip file", Unpack: unpackFirst,
		Instead: "unpack it; of a PyTorch checkpoint convert_hf_to_gguf.py of llama.cpp makes a GGUF"}, true
}

func sniffPickle(b []byte) (Form, bool) {
	ok := len(b) > 2 && b[0] == 0x80 && b[1] >= 2 && b[1] <= 5
	return Form{Name: "a Python pickle, as PyTorch writes checkpoints", Instead: convertFolder}, ok
}

// sniffSafetensors knows a length of 64 bits and a header in JSON.
func sniffSafetensors(b []byte) (Form, bool) {
	ok := len(b) > 9 && binary.LittleEndian.Uint64(b) < 1<<32 && b[8] == '{' && (b[9] == '"' || b[9] == ' ' || b[9] == '}')
	return Form{Name: "a safetensors file", Instead: convertFolder}, ok
}

// sniffImatrix knows the old form of importance matrices: a number of entries,
// each with the length of a tensor's name and the name.
func sniffImatrix(b []byte) (Form, bool) {
	f := Form{Name: "an imatrix in the old format", Instead: "llama-imatrix --in-file OLD -o NEW.gguf --output-format gguf converts it"}
	if len(b) < 8 {
		return f, false
	}
	entries, n := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
	if entries == 0 || entries > 1<<20 || n == 0 || n > 256 || int(n) > len(b)-8 {
		return f, false
	}
	name := string(b[8 : 8+n])
	return f, strings.HasSuffix(name, ".weight") && printable(name)
}

// sniffFlat knows flatbuffers of TensorFlow Lite.
func sniffFlat(b []byte) (Form, bool) {
	return Form{Name: "a TensorFlow Lite file", Instead: "llama.cpp converts safetensors: fetch the model as these, or as GGUF"},
		len(b) >= 8 && string(b[4:8]) == "TFL3"
}

// sniffONNX knows a protocol buffer whose first field is a small number, the
// version, and whose second is one of a model's.
func sniffONNX(b []byte) (Form, bool) {
	f := Form{Name: "an ONNX file", Instead: "llama.cpp converts safetensors: fetch the model as these, or as GGUF"}
	if len(b) < 4 || b[0] != 0x08 || b[1] == 0 || b[1] > 0x20 {
		return f, false
	}
	switch b[2] {
	case 0x12, 0x1a, 0x22, 0x32: // names of the producer, of the domain, a note
		n := int(b[3])
		return f, n < 128 && 4+n <= len(b) && printable(string(b[4:4+n]))
	case 0x3a, 0x42: // the graph, the set of operators
		return f, true
	}
	return f, false
}

func sniffText(b []byte) (Form, bool) {
	text := strings.TrimLeft(strings.TrimPrefix(string(b), "\ufeff"), " \t\r\n")
	low := strings.ToLower(text)
	switch {
	case strings.HasPrefix(text, "version https://git-lfs.github.com/"):
		return Form{Name: "a pointer of Git LFS", Unpack: "git lfs pull fetches the file that it stands for", Text: true}, true
	case strings.HasPrefix(low, "<!doctype html"), strings.HasPrefix(low, "<html"):
		return Form{Name: "a web page", Instead: "what was fetched is the page about the file", Text: true}, true
	case strings.HasPrefix(text, "<?xml"), strings.HasPrefix(text, "<Error>"):
		return Form{Name: "XML", Instead: "what was fetched may be a server's error", Text: true}, true
	case (strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[")) && isText(b):
		return Form{Name: "JSON", Text: true}, true
	}
	return Form{Name: "a text", Text: true}, len(text) > 0 && isText(b)
}

// isText reports UTF-8 without control characters, the last character perhaps
// cut.
func isText(b []byte) bool {
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			return !utf8.FullRune(b)
		}
		if unicode.IsControl(r) && !unicode.IsSpace(r) {
			return false
		}
		b = b[n:]
	}
	return true
}

func printable(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}

// notGGUF says of a file that does not begin as a GGUF what it is.
func notGGUF(head []byte) error {
	if len(head) == 0 {
		return errorf(ErrFormat, "it is empty")
	}
	if f, ok := Sniff(head); ok {
		return errorf(ErrFormat, "it is %s, not GGUF%s", f.Name, f.advice())
	}
	return errorf(ErrFormat, "it begins with %q, not %q", head[:min(4, len(head))], magic)
}
