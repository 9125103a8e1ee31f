package main

import (
	"slices"

	"github.com/spf13/pflag"

	"retcon/edit/contexts"
	"retcon/eval"
)

// chatKinds are the values of --chat.
var chatKinds = []string{contexts.Both, contexts.Answer, contexts.Turn, chatOff}

// chatOff edits without conversations.
const chatOff = "off"

// chatFlag is edit's --chat.
func chatFlag(fs *pflag.FlagSet, value *string) {
	*value = chatOff
	fs.Var(choice{value, chatKinds}, "chat", "edit the prompt in conversations by the model's chat template too: as the beginning of an answer, as the user's turn, or both")
	fs.Lookup("chat").NoOptDefVal = contexts.Both
}

// chatKind is a value of --chat as rome.HParams has it.
func chatKind(value string) string {
	if value == chatOff {
		return ""
	}
	return value
}

// chatAxis is bench's --chat: several of edit's values, each a run.
func chatAxis(fs *pflag.FlagSet, values *[]string) {
	fs.StringSliceVar(values, "chat", []string{chatOff}, "`off,both,answer,turn`: edit in conversations as edit --chat does, and score edits there; several with commas")
	fs.Lookup("chat").NoOptDefVal = contexts.Both
}

// checkChats finds what is wrong with the axis, and has conversations scored
// where it was asked for.
func (f *benchFlags) checkChats(flags *pflag.FlagSet) error {
	for _, c := range f.chats {
		if err := (choice{new(string), chatKinds}).Set(c); err != nil {
			return usagef("--chat %q: %v", c, err)
		}
	}
	// without the flag a file of hyper-parameters decides
	f.chatAsked = flags.Changed("chat")
	if f.chatAsked && !slices.Contains(f.score.stages, string(eval.Chat)) {
		f.score.stages = append(slices.Clip(f.score.stages), string(eval.Chat))
	}
	return nil
}
