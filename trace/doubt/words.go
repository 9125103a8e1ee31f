package doubt

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The function words of languages written with spaces: articles, prepositions,
// conjunctions, pronouns and auxiliaries. Short lists: a word that is missing is
// taken for a fact.
var functionWords = map[string][]string{
	"English": strings.Fields(`a an the this that these those his her its their our my your of in on at by for from with
		to into onto as about over under between after before during since until than through near and or but nor if because
		while so is are was were be been being am has have had do does did will would can could shall should might must not it
		he she they we you who whom which what where when whose there some any all both each every such also`),
	"German": strings.Fields(`der die das den dem des ein eine einen einem einer eines und oder aber in im an am auf aus
		bei beim mit nach von vom zu zum zur für über unter vor seit durch als wie ist sind war waren wird werden wurde hat haben
		nicht sich er sie es wir ihr sein seine seiner ihre ihrer dass auch`),
	"French": strings.Fields(`le la les l un une des du de d et ou mais à au aux en dans sur sous par pour avec sans chez
		entre vers est sont était étaient a ont que qui qu dont où ce cette ces son sa ses leur leurs il elle ils elles on ne n
		pas se s`),
	"Spanish": strings.Fields(`el la los las un una unos unas de del y e o u pero a al en con sin por para sobre entre
		desde hasta es son era fue está están ha han que quien cuyo cuya su sus se no lo le como`),
	"Italian": strings.Fields(`il lo la i gli le l un uno una di del dello della dei degli delle da dal dalla a al alla in
		nel nella con su sul sulla per tra fra e ed o ma è sono era ha hanno che cui non si come suo sua`),
	"Portuguese": strings.Fields(`o a os as um uma de do da dos das e ou mas em no na nos nas com sem por pelo pela para
		sobre entre é são era foi está tem que quem cujo cuja seu sua se não ao à como`),
	"Dutch": strings.Fields(`de het een en of maar in op aan bij met van voor naar uit door over onder tussen tot is zijn
		was waren wordt werd heeft hebben niet ook als die dat deze dit hij zij ze er om te`),
	"Russian": strings.Fields(`в во на с со к ко у о об от до из за по при для без над под и или но а что как это не был
		была было были есть он она они его её их который которая которое`),
}

// particles are the function words of scripts without spaces, Chinese and
// Japanese.
var particles = strings.Fields("的 是 在 了 和 与 與 于 於 也 及 之 の は が を に へ と で も や から まで より です である だ")

// isFunctionWord reports whether a token, as text without blanks, is a function
// word of the prompt's language. That is the language of whose words the prompt has
// most: "die" is an article after German words only. The token must be the whole
// word, and in small letters unless other words follow: In may be indium.
func isFunctionWord(token, rest, prompt string) bool {
	if slices.Contains(particles, token) {
		return true
	}
	next, n := utf8.DecodeRuneInString(rest)
	if isText(next) {
		return false
	}
	word := strings.ToLower(token)
	if word != token {
		after, _ := utf8.DecodeRuneInString(rest[n:])
		_, first := utf8.DecodeRuneInString(token)
		if next != ' ' || !isText(after) || len(token) == first || strings.ToLower(token[first:]) != token[first:] {
			return false
		}
	}
	most, in := 0, -1
	said := strings.FieldsFunc(strings.ToLower(prompt), func(r rune) bool { return !unicode.In(r, unicode.L, unicode.M) })
	for _, words := range functionWords {
		count := 0
		for _, w := range said {
			if slices.Contains(words, w) {
				count++
			}
		}
		most = max(most, count)
		if slices.Contains(words, word) {
			in = max(in, count)
		}
	}
	return in == most
}

// startsWithParticle reports whether a text begins with a particle.
func startsWithParticle(text string) bool {
	return slices.ContainsFunc(particles, func(p string) bool { return strings.HasPrefix(text, p) })
}
