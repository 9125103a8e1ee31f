package result

// Window is the window of w layers around a layer, [layer - w/2, layer + w -
// w/2) clipped to a model of so many layers.
func Window(layer, w, layers int) (begin, end int) {
	return max(0, layer-w/2), min(layers, layer+w-w/2)
}

// Centre is the layer, or the two, in the middle of the window around a layer:
// not that layer where the window is clipped.
func Centre(layer, w, layers int) (low, high int) {
	begin, end := Window(layer, w, layers)
	return (begin + end - 1) / 2, (begin + end) / 2
}
