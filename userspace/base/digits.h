/*
 * digits.h - numbers as decimal digits, without printf: for what is written once a request.
 *
 * Nothing here ends with a NUL. Pure.
 */
#pragma once
#include <stdint.h>

enum { DIGITS_MAX = 20 }; /* of a uint64_t */

/* Exactly `width` digits with zeros in front; the lowest ones of n. Returns what is behind them. */
static inline char *digits_put_fixed(char *at, uint64_t n, unsigned width)
{
	for (unsigned i = width; i-- > 0; n /= 10)
		at[i] = (char)('0' + n % 10);
	return at + width;
}

/* As few digits as there are, at most DIGITS_MAX. Returns what is behind them. */
static inline char *digits_put(char *at, uint64_t n)
{
	char digits[DIGITS_MAX];
	unsigned count = 0;

	do
		digits[count++] = (char)('0' + n % 10);
	while (n /= 10);
	while (count > 0)
		*at++ = digits[--count];
	return at;
}
