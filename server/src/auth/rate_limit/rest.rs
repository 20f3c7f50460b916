//! The limits of the REST API: one for all requests of a subject, one for each of its routes.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use twox_hash::XxHash3_64;

use super::{LimitTable, Quota, Standing, Subject};

/// How much the REST API lets one subject do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestSettings {
    /// Requests of a subject, whatever they ask for. 50 per second by default.
    pub global: Quota,
    /// Subjects remembered at once. 16,384 by default, which take 256 KiB.
    pub subjects: usize,
    /// Pairs of subject and route remembered at once. 65,536 by default, which take 1 MiB.
    pub routes: usize,
}

impl Default for RestSettings {
    fn default() -> Self {
        Self {
            global: Quota::per_second(50),
            subjects: 1 << 14,
            routes: 1 << 16,
        }
    }
}

/// A limit that one route has, or several share.
#[derive(Debug, Clone)]
pub struct Bucket {
    hash: BucketHash,
    quota: Quota,
}

/// What clients tell buckets apart by: 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct BucketHash([u8; 16]);

impl Bucket {
    /// A bucket named after its route, such as `POST /channels/{id}/messages`. The same name makes
    /// the same bucket in every process.
    pub fn new(route: &str, quota: Quota) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let hash = XxHash3_64::oneshot(route.as_bytes());
        let digit = |i| DIGITS[(hash >> (60 - 4 * i) & 0xf) as usize];
        Self {
            hash: BucketHash(std::array::from_fn(digit)),
            quota,
        }
    }

    /// The value of `X-RateLimit-Bucket`: 16 hexadecimal digits.
    pub fn hash(&self) -> &str {
        self.hash.as_str()
    }

    /// What it allows.
    pub const fn quota(&self) -> Quota {
        self.quota
    }
}

impl BucketHash {
    fn as_str(&self) -> &str {
        str::from_utf8(&self.0).expect("invariant: hexadecimal digits are ASCII")
    }
}

impl fmt::Debug for BucketHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the `X-RateLimit-*` headers of a response say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateState<'a> {
    /// `X-RateLimit-Limit`.
    pub limit: u32,
    /// `X-RateLimit-Remaining`.
    pub remaining: u32,
    /// `X-RateLimit-Reset-After`; the time of day plus this is `X-RateLimit-Reset`. Written with
    /// [`super::seconds`].
    pub reset_after: Duration,
    /// `X-RateLimit-Bucket`.
    pub bucket: &'a str,
}

impl<'a> RateState<'a> {
    fn of(bucket: &'a Bucket, standing: Standing) -> Self {
        Self {
            limit: bucket.quota.burst(),
            remaining: standing.remaining,
            reset_after: standing.reset_after,
            bucket: bucket.hash(),
        }
    }
}

/// Which limit a request met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RateScope {
    /// That of the route.
    User,
    /// That of all requests.
    Global,
}

impl RateScope {
    /// The value of `X-RateLimit-Scope`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Global => "global",
        }
    }
}

/// What a response with status 429 says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateRefusal<'a> {
    /// Until the same request would pass, if nothing else is asked for meanwhile. More than zero.
    pub retry_after: Duration,
    /// Which limit it met.
    pub scope: RateScope,
    /// The state of that limit.
    pub state: RateState<'a>,
}

/// Counts the requests to the REST API.
#[derive(Debug)]
pub struct RestLimits {
    global: Bucket,
    subjects: LimitTable,
    routes: LimitTable,
    refused_global: AtomicU64,
    refused_route: AtomicU64,
}

impl RestLimits {
    /// Limits that nobody has used yet.
    pub fn new(settings: RestSettings) -> Self {
        Self {
            global: Bucket::new("global", settings.global),
            subjects: LimitTable::new(settings.subjects),
            routes: LimitTable::new(settings.routes),
            refused_global: AtomicU64::new(0),
            refused_route: AtomicU64::new(0),
        }
    }

    /// Counts a request without a route of its own limit, and returns the state of the limit on
    /// all requests. That state does not go into headers: clients would take it for a route's.
    pub fn check_global(
        &self,
        subject: Subject,
        now: Duration,
    ) -> Result<RateState<'_>, RateRefusal<'_>> {
        let (standing, taken) = self.subjects.take(&subject, self.global.quota, now);
        let state = RateState::of(&self.global, standing);
        match taken {
            Ok(()) => Ok(state),
            Err(retry_after) => {
                self.refused_global.fetch_add(1, Ordering::Relaxed);
                Err(RateRefusal {
                    retry_after,
                    scope: RateScope::Global,
                    state,
                })
            }
        }
    }

    /// Counts a request to a route, first against all of the subject's requests, then against the
    /// route's bucket. `resource` is the guild or channel that the path begins with, 0 where there
    /// is none: each has its own count. A request that the route refuses still counts as one of
    /// the subject's.
    pub fn check<'a>(
        &'a self,
        subject: Subject,
        bucket: &'a Bucket,
        resource: u64,
        now: Duration,
    ) -> Result<RateState<'a>, RateRefusal<'a>> {
        self.check_global(subject, now)?;
        let key = (subject, bucket.hash, resource);
        let (standing, taken) = self.routes.take(&key, bucket.quota, now);
        let state = RateState::of(bucket, standing);
        match taken {
            Ok(()) => Ok(state),
            Err(retry_after) => {
                self.refused_route.fetch_add(1, Ordering::Relaxed);
                Err(RateRefusal {
                    retry_after,
                    scope: RateScope::User,
                    state,
                })
            }
        }
    }

    /// Requests refused so far for this limit.
    pub fn refused(&self, scope: RateScope) -> u64 {
        match scope {
            RateScope::Global => self.refused_global.load(Ordering::Relaxed),
            RateScope::User => self.refused_route.load(Ordering::Relaxed),
        }
    }

    /// Keys forgotten before they were idle: see [`LimitTable::evicted`].
    pub fn evicted(&self) -> u64 {
        self.subjects.evicted() + self.routes.evicted()
    }
}

#[cfg(test)]
mod tests;
