package main

import (
	"slices"

	"github.com/spf13/pflag"

	"retcon/edit/covariance"
	"retcon/edit/rome"
	"retcon/edit/tpatcher"
	"retcon/eval"
)

// unused says of each input that edit is given and does not come to why that is.
func (f *editFlags) unused(flags *pflag.FlagSet) ([]string, error) {
	if f.remove != "" {
		return given(flags, "--remove reads the model alone", "requests", "text", "hparams", "prefixes", "corpus", "imatrix", "chat-template-file"), nil
	}
	h, _, err := f.hyperparameters(flags)
	out := f.unusedMaterial(flags, []string{f.method}, []string{string(h.Covariance)}, f.output != "")
	if h.Chat == "" && len(f.ask) == 0 {
		out = append(out, given(flags, "without --chat and --ask there are no conversations", "chat-template-file")...)
	}
	return out, err
}

// unused is that of bench.
func (f *benchFlags) unused(flags *pflag.FlagSet) ([]string, error) {
	h, _, err := f.edit.hyperparameters(flags)
	if err != nil {
		return nil, err
	}
	out := f.edit.unusedMaterial(flags, f.methods, f.covariances, slices.Contains(f.as, eval.AsBaked))
	chats := slices.ContainsFunc(f.chats, func(c string) bool { return chatKind(c) != "" })
	return append(out, f.score.unused(flags, chats || h.Chat != "")...), nil
}

// unused is that of eval.
func (f *evalFlags) unused(flags *pflag.FlagSet) []string { return f.score.unused(flags, false) }

// unused is that of trace.
func (f *traceFlags) unused(flags *pflag.FlagSet) []string {
	if f.corruption.swaps() && !f.averages.on {
		return given(flags, "--corrupt swap takes no noise from its subjects", "requests")
	}
	return nil
}

// unusedMaterial is what statistics could be made from, and are not. files says
// that edited models are written.
func (f *editFlags) unusedMaterial(flags *pflag.FlagSet, methods, covariances []string, files bool) []string {
	full, diagonal := slices.Contains(covariances, string(covariance.KindFull)), slices.Contains(covariances, string(covariance.KindDiagonal))
	var out []string
	if !slices.Contains(methods, rome.Name) {
		return given(flags, "--method "+tpatcher.Name+" quantises without one", "imatrix")
	}
	if !slices.Contains(methods, tpatcher.Name) && !full {
		switch {
		case !diagonal:
			out = given(flags, "--covariance identity takes no statistics", "corpus")
		case f.imatrix != "":
			out = given(flags, "--covariance diagonal is read from --imatrix", "corpus")
		}
	}
	if !diagonal && !files {
		out = append(out, given(flags, "it is for --covariance diagonal, and for the types of tensors in files, of which none is written", "imatrix")...)
	}
	return out
}

// unused are texts of metrics that are not asked for. chats says that there are
// conversations besides those of the metrics.
func (f *scoreFlags) unused(flags *pflag.FlagSet, chats bool) []string {
	stages, err := eval.ParseStages(f.stages)
	if err != nil {
		return nil // which is said when the task is read
	}
	var out []string
	if !slices.Contains(stages, eval.OnText) {
		out = append(out, given(flags, "text is not among --metrics", "text")...)
	}
	if !slices.Contains(stages, eval.Fluent) {
		out = append(out, given(flags, "fluency is not among --metrics", "snippets")...)
	}
	if !slices.Contains(stages, eval.Chat) && !chats {
		out = append(out, given(flags, "there are no conversations: chat is not among --metrics", "chat-template-file")...)
	}
	return out
}

// given says why of these flags those that were given are not used.
func given(flags *pflag.FlagSet, why string, names ...string) []string {
	var out []string
	for _, name := range names {
		if f := flags.Lookup(name); f != nil && f.Changed && f.Value.String() != "" {
			out = append(out, "--"+name+" "+f.Value.String()+" is not used: "+why)
		}
	}
	return out
}
