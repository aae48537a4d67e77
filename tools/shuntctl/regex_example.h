/*
 * regex_example.h - a text that an expression matches: looked for, for examples in warnings.
 *
 * Pure. Knows the options with which route/regex.c compiles; whoever uses it asks that one.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { REGEX_EXAMPLE_MAX = 64 };

/* False where none is found soon, of letters, digits and "/-._~". Adds the matches that it took. */
bool regex_example(const char *expression, char out[REGEX_EXAMPLE_MAX], uint32_t *spent);
