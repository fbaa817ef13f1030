//! The tests of the whole: promises, journeys, crashes, and the walls of the house.

#[cfg(test)]
mod console;
#[cfg(test)]
mod coverage;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod full_disk;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod journeys;
#[cfg(test)]
mod opendsr;
#[cfg(test)]
mod portal;
#[cfg(test)]
mod promises;
#[cfg(test)]
mod tidy;
