"""
Maps of any size, cut into tiles that are segmented one by one.

`tile_plan` says where a map is cut, `tiles` cuts it, `joining` makes objects of the map of what
the tiles show, `tile_cache` remembers tiles from map to map and `map_segmentation` runs it all.
"""
