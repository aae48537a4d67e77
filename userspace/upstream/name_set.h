/*
 * name_set.h - what one name stands for, and how soon whoever uses it is told of a change.
 *
 * Answers that differ each time, as those of clouds do, must neither end endpoints that serve well
 * nor make a snapshot each: what an answer lacks is held for a while, and the pauses between what
 * is told grow while changes keep coming. Knows no name server and no clock; control thread.
 */
#pragma once
#include "userspace/model/resolution.h"

enum {
	NAME_PAUSE_MS = 1000,      /* between what is told, at first */
	NAME_PAUSE_MS_MAX = 30000, /* twice as long each time, up to this */
	NAME_CALM_PAUSES = 2       /* without a change, after which it is as at first */
};

struct name_set {
	struct name_answer answers[NAME_ANSWERS_MAX]; /* in order of their bytes */
	uint64_t gone_ms[NAME_ANSWERS_MAX]; /* since when no answer has it; 0: the last one had */
	uint32_t count;
	uint64_t told_ms;
	uint32_t pause_ms; /* after told_ms; 0: none was told yet */
};

/* Who stays that the last answer does not have. */
struct name_hold {
	uint32_t for_ms;
	/* Whether it serves well, as far as anybody knows. */
	bool (*may_stay)(void *context, const struct name_answer *answer);
	void *context;
};

/* A good answer: at most NAME_ANSWERS_MAX, in order of their bytes. True: it stands for something
 * else now. now_ms is not 0. */
bool name_set_take(struct name_set *set, const struct name_answer *answers, uint32_t count,
		   const struct name_hold *hold, uint64_t now_ms);
/* Time has passed without an answer: whoever was held long enough goes. True as above. */
bool name_set_expire(struct name_set *set, const struct name_hold *hold, uint64_t now_ms);
/* When name_set_expire is due; UINT64_MAX: nobody is held. */
uint64_t name_set_expires_ms(const struct name_set *set, const struct name_hold *hold);

/* There is something to tell, as of now: when that is due. */
uint64_t name_set_tell_ms(struct name_set *set, uint64_t now_ms);
/* It was told; the next pause is a longer one. */
void name_set_told(struct name_set *set, uint64_t now_ms);
