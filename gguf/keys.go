package gguf

import "fmt"

// Value returns the value of a key.
func (f *File) Value(key string) (Value, bool) {
	i, ok := f.shards[0].keys[key]
	if !ok {
		return Value{}, false
	}
	return f.KV[i].Value, true
}

// Has reports whether the file has the key.
func (f *File) Has(key string) bool {
	_, ok := f.Value(key)
	return ok
}

// String returns the string of a key. As in all getters of File, the error
// wraps ErrNotFound when there is no such key and ErrKind when its value is of
// another type.
func (f *File) String(key string) (string, error) {
	return get(f, key, "a string", Value.Text)
}

// Bool returns the bool of a key.
func (f *File) Bool(key string) (bool, error) {
	return get(f, key, "a bool", Value.Bool)
}

// Uint returns the integer of a key, of any width, that is not negative.
func (f *File) Uint(key string) (uint64, error) {
	return get(f, key, "an unsigned integer", Value.Uint)
}

// Int returns the integer of a key, of any width.
func (f *File) Int(key string) (int64, error) {
	return get(f, key, "an integer", Value.Int)
}

// Float returns the floating-point number of a key, of either width.
func (f *File) Float(key string) (float64, error) {
	return get(f, key, "a floating-point number", Value.Float)
}

// Strings returns the array of strings of a key.
func (f *File) Strings(key string) ([]string, error) {
	return get(f, key, "an array of strings", Value.Strings)
}

// Uints returns the array of integers of a key, none of them negative.
func (f *File) Uints(key string) ([]uint64, error) {
	return get(f, key, "an array of unsigned integers", Value.Uints)
}

// Ints returns the array of integers of a key, of any width.
func (f *File) Ints(key string) ([]int64, error) {
	return get(f, key, "an array of integers", Value.Ints)
}

// Floats returns the array of floating-point numbers of a key.
func (f *File) Floats(key string) ([]float64, error) {
	return get(f, key, "an array of floating-point numbers", Value.Floats)
}

func get[T any](f *File, key, want string, as func(Value) (T, bool)) (T, error) {
	v, ok := f.Value(key)
	if !ok {
		return *new(T), fmt.Errorf("key %s: %w", quote(key), ErrNotFound)
	}
	x, ok := as(v)
	if !ok {
		return x, fmt.Errorf("key %s: %w: %v is not %s", quote(key), ErrKind, v, want)
	}
	return x, nil
}
