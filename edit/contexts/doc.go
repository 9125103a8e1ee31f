// Package contexts has the texts that stand around a prompt while a fact is
// edited, the context templates of ROME (section 3.1): prefixes that the model
// itself writes, and conversations by its chat template.
package contexts
