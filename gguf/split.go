package gguf

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strconv"
)

// The keys that every shard of a split model has. A count of 0 or 1, or none,
// means that the model is not split.
const (
	keySplitNo      = "split.no"
	keySplitCount   = "split.count"
	keySplitTensors = "split.tensors.count"
)

// maxSplits is the largest count that fits split.count, a u16.
const maxSplits = 1<<16 - 1

// SplitName returns the path of a shard of a split model, as llama.cpp names
// them: SplitName("dir/m", 0, 3) is "dir/m-00001-of-00003.gguf".
func SplitName(prefix string, shard, count int) string {
	return fmt.Sprintf("%s-%05d-of-%05d.gguf", prefix, shard+1, count)
}

var splitPattern = regexp.MustCompile(`(?s)^(.+)-(\d{5,})-of-(\d{5,})\.gguf$`)

// ParseSplitName takes a path that SplitName made apart.
func ParseSplitName(path string) (prefix string, shard, count int, ok bool) {
	m := splitPattern.FindStringSubmatch(path)
	if m == nil {
		return "", 0, 0, false
	}
	no, err1 := strconv.Atoi(m[2])
	count, err2 := strconv.Atoi(m[3])
	if err1 != nil || err2 != nil || no < 1 || no > count || SplitName(m[1], no-1, count) != path {
		return "", 0, 0, false
	}
	return m[1], no - 1, count, true
}

// OtherShards are the paths of the shards beside the one at path, by its name;
// none where it has not the name of one.
func OtherShards(path string) []string {
	prefix, shard, count, ok := ParseSplitName(path)
	if !ok || count > maxSplits {
		return nil
	}
	var out []string
	for i := range count {
		if i != shard {
			out = append(out, SplitName(prefix, i, count))
		}
	}
	return out
}

// Open opens the model at path, by any shard if it is split. Close it after use.
func Open(path string) (*File, error) {
	s, file, err := openShard(path)
	if err != nil {
		return nil, err
	}
	count, err := s.splitCount()
	if err != nil || count <= 1 {
		return closeUnless(path, []*os.File{file}, []*shard{s}, err)
	}
	prefix, no, err := s.splitPlace(count)
	if err != nil {
		return closeUnless(path, []*os.File{file}, nil, err)
	}
	files := []*os.File{file}
	shards := make([]*shard, count)
	shards[no] = s
	for i := range shards {
		if i == no {
			continue
		}
		other, file, err := openShard(SplitName(prefix, i, count))
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w: it is shard %d of %d, and shard %d is missing: %w", ErrSplit, no+1, count, i+1, err)
		}
		if err != nil {
			return closeUnless(path, files, nil, err)
		}
		files = append(files, file)
		shards[i] = other
	}
	return closeUnless(path, files, shards, checkSplit(shards))
}

// openShard opens and parses one file.
func openShard(path string) (*shard, *os.File, error) {
	// Opening a named pipe would wait for a writer, so look first.
	if st, err := os.Stat(path); err == nil && st.IsDir() {
		return nil, nil, fmt.Errorf("%s: %w", path, errorf(ErrFormat, "it is a folder, not a GGUF file; of a folder of safetensors convert_hf_to_gguf.py of llama.cpp makes one"))
	} else if err == nil && !st.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("%s: %w", path, errorf(ErrFormat, "it is not a regular file"))
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	st, err := file.Stat()
	var s *shard
	if err == nil {
		s, err = parse(file, st.Size())
	}
	if err != nil {
		file.Close()
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	s.path = path
	return s, file, nil
}

// closeUnless makes a File of the shards, or closes the files on an error.
func closeUnless(path string, files []*os.File, shards []*shard, err error) (*File, error) {
	var f *File
	if err == nil {
		f, err = newFile(shards...)
	}
	if err != nil {
		for _, file := range files {
			file.Close()
		}
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for _, file := range files {
		f.closers = append(f.closers, file)
	}
	return f, nil
}

// uint returns an integer that a shard must have.
func (s *shard) uint(key string) (int, error) {
	i, ok := s.keys[key]
	if !ok {
		return 0, errorf(ErrSplit, "%s has no key %s", s.path, key)
	}
	n, ok := s.kv[i].Value.Uint()
	if !ok || n > maxLength {
		return 0, errorf(ErrSplit, "%s has %s = %v", s.path, key, s.kv[i].Value)
	}
	return int(n), nil
}

// splitCount returns the number of shards that s belongs to, 0 if it says none.
func (s *shard) splitCount() (int, error) {
	if _, ok := s.keys[keySplitCount]; !ok {
		return 0, nil
	}
	n, err := s.uint(keySplitCount)
	if err == nil && n > maxSplits {
		err = errorf(ErrSplit, "%s says %d shards", s.path, n)
	}
	return n, err
}

// splitPlace returns what the names of s and its siblings begin with and which
// of them s is. Name and keys must agree, or an edit could go to another model.
func (s *shard) splitPlace(count int) (prefix string, no int, err error) {
	no, err = s.uint(keySplitNo)
	if err != nil {
		return "", 0, err
	}
	first := SplitName("", 0, count)
	if s.joined() {
		return "", 0, errorf(ErrSplit, "shard %d of %d and others stand in it one after the other, as cat joins files; llama-gguf-split --merge NAME%s OUT.gguf joins shards",
			no+1, count, first)
	}
	prefix, named, of, ok := ParseSplitName(s.path)
	if !ok || named != no || of != count {
		return "", 0, errorf(ErrSplit, "it is shard %d of %d, but its name does not end in %s, by which the others beside it are found; llama-gguf-split --merge NAME%s OUT.gguf joins shards",
			no+1, count, SplitName("", no, count), first)
	}
	return prefix, no, nil
}

// checkSplit checks that shards belong together.
func checkSplit(shards []*shard) error {
	total := 0
	for i, s := range shards {
		no, err := s.uint(keySplitNo)
		if err != nil {
			return err
		}
		count, err := s.uint(keySplitCount)
		if err != nil {
			return err
		}
		if no != i || count != len(shards) {
			return errorf(ErrSplit, "%s says that it is shard %d of %d", s.path, no+1, count)
		}
		if s.order != shards[0].order {
			return errorf(ErrSplit, "%s has another byte order than the first shard", s.path)
		}
		total += len(s.tensors)
	}
	if _, ok := shards[0].keys[keySplitTensors]; !ok {
		return nil
	}
	want, err := shards[0].uint(keySplitTensors)
	if err == nil && want != total {
		err = errorf(ErrSplit, "the shards have %d tensors, not %d as the first one says", total, want)
	}
	return err
}
