/*
 * endpoint_words.h - what is wanted of an endpoint, between words of a command line and JSON.
 */
#pragma once
#include <jansson.h>
#include <stddef.h>
#include <time.h>

#include "userspace/base/err.h"

enum { ENDPOINT_WORDS_MAX = 160 };

/* UPSTREAM ENDPOINT WHAT [VALUE], NULL where there are fewer; NULL and a sentence where they say
 * nothing that shuntd could be asked. */
json_t *endpoint_words_wish(const char *const *words, struct err *err);
/* "10.0.0.4:80@tenant-a" */
void endpoint_words_where(const json_t *one, char *out, size_t size);
/* "weight 5, draining for 4 more minutes; by uid 0, pid 123, 2026-11-21 15:04:05 UTC" */
void endpoint_words_override(const json_t *override, time_t now, char out[ENDPOINT_WORDS_MAX]);
