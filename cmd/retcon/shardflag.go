package main

import "retcon/internal/shard"

// shardFlag is a flag that is a part of a list.
type shardFlag struct{ shard.Shard }

func (s *shardFlag) Type() string { return "I/N" }

func (s *shardFlag) String() string {
	if s.N == 0 {
		return ""
	}
	return s.Shard.String()
}

func (s *shardFlag) Set(text string) (err error) {
	s.Shard, err = shard.Parse(text)
	return err
}
