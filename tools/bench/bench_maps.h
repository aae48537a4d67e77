/*
 * bench_maps.h - xdp_ingress with maps that know the frames of bench_frames.h; nothing is pinned.
 */
#pragma once
#include "bpf/abi/map_sizes.h" /* the skeleton below needs it */

#include "xdp_ingress.skel.h"

/* NULL where the kernel refuses it. */
struct xdp_ingress *bench_maps_load(void);
