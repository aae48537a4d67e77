/*
 * health_state.h - from results of probes to whether an endpoint is fit, and what is asked next.
 *
 * Pure: no socket, no clock. Times in milliseconds of the caller's clock.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "userspace/model/model.h"

/* What failed, from near to far; the names are in status and logs. */
enum health_layer {
	HEALTH_OK,
	HEALTH_WAY,    /* no next hop here: nothing could be sent */
	HEALTH_HOST,   /* nothing answers at the host's address either */
	HEALTH_TUNNEL, /* the host is there, but what is sent through the tunnel is not answered */
	HEALTH_PORT,   /* the endpoint is there, but nobody listens */
	HEALTH_ANSWER, /* somebody listens, but the answer is not as expected, or late */
	HEALTH_MTU,    /* small packets come through, and those of full size do not */
	HEALTH_LAYERS
};
extern const char *const health_layer_names[HEALTH_LAYERS];

enum { HEALTH_DETAIL_MAX = 96 };

struct health_result {
	enum health_layer layer;
	char detail[HEALTH_DETAIL_MAX]; /* a clause for the operator; "" where all is well */
	uint32_t took_ms;
};

struct health_state {
	bool known; /* there was a result; before, an endpoint is taken for fit */
	bool down;
	uint32_t streak; /* results in a row that say otherwise */
	bool came_back;  /* it is up, and was down before */
	uint32_t flaps;  /* how often it has failed again too soon; see health.damping_ms */
	uint64_t since_ms;
	struct health_result last;
	uint64_t probes, failures;
};

/* True where `down` has changed. The first result of all decides at once. */
bool health_state_take(struct health_state *state, const struct health *rules,
		       const struct health_result *result, uint64_t now_ms);
/* Whether the next probe looks at the full size too. */
bool health_state_wants_full(const struct health_state *state, const struct health *rules);
/* How many good results in a row bring it up again: twice as many for each flap. */
uint32_t health_state_rise(const struct health_state *state, const struct health *rules);
/* How long after the beginning of the last probe the next begins: spread out, never late. */
uint32_t health_state_pause_ms(const struct health_state *state, const struct health *rules,
			       uint32_t random);
/* Before the first one. */
uint32_t health_state_first_ms(const struct health *rules, uint32_t random);

/* What one probe does after the other until it knows what is wrong. */
enum health_step {
	HEALTH_STEP_MAIN,  /* what the configuration asks for */
	HEALTH_STEP_FULL,  /* an echo request of full size, not to be fragmented */
	HEALTH_STEP_SMALL, /* a small one on the same way: was it the size? */
	HEALTH_STEP_INNER, /* a small one on the same way: is the endpoint there? */
	HEALTH_STEP_OUTER, /* to the host itself */
	HEALTH_STEP_DONE
};
enum health_outcome {
	HEALTH_ANSWERED,
	HEALTH_REFUSED,
	HEALTH_SILENT, /* or unreachable */
	HEALTH_WRONG   /* not as expected, or late */
};
/* The next step; at HEALTH_STEP_DONE *out_layer is the result. */
enum health_step health_step_after(enum health_step step, enum health_outcome outcome, bool tunnel,
				   bool wants_full, enum health_layer *out_layer);
