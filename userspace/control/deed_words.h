/*
 * deed_words.h - the sentences about a request that came. Pure.
 */
#pragma once
#include "userspace/control/explain_words.h"
#include "userspace/proxy/deed_ring.h"

/* Why that endpoint was asked, or none; priority: its own, if that is known. */
struct explain_text deed_words_choice(const struct deed *deed, uint32_t priority);
struct explain_text deed_words_attempt(const struct deed *deed, uint32_t number);
/* Why it was not asked again; NULL: nothing to say. */
const char *deed_words_refusal(const struct deed *deed);
const char *deed_words_unfit(uint8_t cause);
const char *deed_words_phase(uint8_t phase); /* what it is at */
/* Why a route lost of which no more is known. */
const char *deed_words_miss(uint8_t miss);
struct explain_text deed_words_splice(const struct deed *deed);
