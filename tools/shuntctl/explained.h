/*
 * explained.h - the explanation of a request that may come or that came, for people.
 */
#pragma once
#include <jansson.h>

void explained_print(const json_t *explained);
