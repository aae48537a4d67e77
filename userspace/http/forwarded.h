/*
 * forwarded.h - what a message says of its way: Via, X-Forwarded-* and Forwarded.
 *
 * Knows what may be wanted and what has to be told. Does not know how either is written, nor who
 * is trusted: that is said by whoever knows the client.
 */
#pragma once
#include <stdbool.h>

#include "userspace/base/span.h"

enum forwarded_mode {
	FORWARDED_OFF,    /* nothing of ours; what a trusted sender says goes on as it is */
	FORWARDED_APPEND, /* ours, behind what a trusted sender says */
	FORWARDED_SET,    /* ours alone */
};

/* One for each field. */
struct forwarded_modes {
	enum forwarded_mode via;
	enum forwarded_mode x_forwarded_for;
	enum forwarded_mode x_forwarded_proto;
	enum forwarded_mode x_forwarded_host;
	enum forwarded_mode forwarded;
};

/* Zero adds nothing, and believes nobody. */
struct forwarded {
	struct forwarded_modes modes;
	struct span via; /* our name there */

	/* requests only; of a response just Via is touched, and endpoints are trusted */
	bool trusted;       /* the client: else what it says is dropped, whatever the mode */
	struct span client; /* its address, without port or brackets */
	struct span proto;  /* "http" or "https" */
};
