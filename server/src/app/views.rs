//! What the admin API sees of the node.
