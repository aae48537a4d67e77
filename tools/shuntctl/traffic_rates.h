/*
 * traffic_rates.h - what the programs counted, per second between two answers of a daemon.
 */
#pragma once
#include <jansson.h>

/* Adds "packets_per_second" and the like beside each number of `now` that `before` has too. */
void traffic_rates_add(json_t *now, const json_t *before);
/* Tables for people; what is zero is left out. */
void traffic_rates_print(const json_t *traffic);
