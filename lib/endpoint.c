/* SPDX-License-Identifier: MIT */
/* Endpoints: their pages and their reference to the segment. */
#include "config.h"

#include <unistd.h>

#include "endpoint.h"
#include "map.h"
#include "registry.h"

void *shmqi_endpoint_new(struct segment *seg, size_t bytes)
{
	struct endpoint *ep = shmqi_map_private_page(bytes);

	if (!ep)
		return NULL;
	ep->seg = seg;
	/* In no ring yet. */
	ep->ring = ep->keeps = UINT64_MAX;
	shmqi_registry_get(seg);
	return ep;
}

void shmqi_endpoint_free(struct endpoint *ep, size_t bytes)
{
	struct segment *seg = ep->seg;
	bool inherited = !ep->magic;

	shmqi_map_free(ep, bytes);
	/* The fork handler has given back the reference. */
	if (!inherited)
		shmqi_registry_put(seg);
}
