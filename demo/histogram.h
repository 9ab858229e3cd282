/* SPDX-License-Identifier: MIT */
/*
 * Times as a picture: sorting, quantiles, bars of text.
 */
#ifndef DEMO_HISTOGRAM_H
#define DEMO_HISTOGRAM_H

#include <stdint.h>

/* All the other functions take sorted times, at least one. */
void histogram_sort(uint32_t *ns, unsigned n);

/* The time that a part of them, in thousandths, does not exceed. */
uint32_t histogram_quantile(const uint32_t *ns, unsigned n, unsigned part);

void histogram_print(const uint32_t *ns, unsigned n);

#endif /* DEMO_HISTOGRAM_H */
