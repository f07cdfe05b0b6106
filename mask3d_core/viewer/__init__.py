"""
A viewer of scans and instances in the browser.

- `scene`: what is shown of one scan; `packing`: a scene as bytes.
- `page`: the page itself, HTML and JavaScript with WebGL 2, without other libraries.
- `document`: one page that contains its scenes; `server`: the page with scenes on demand.
- `sources`: scenes of a scan, a folder of results, a data set or a bag.
- `corrections`: changes that a user made to the instances of a scene.
"""
